{{/* Labels of every object. Not for pod templates: the chart's version would roll the pods. */}}
{{- define "proffer.labels" -}}
app.kubernetes.io/name: proffer
app.kubernetes.io/part-of: proffer
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels by which the pods of a component are found: proffer.selector "controller". */}}
{{- define "proffer.selector" -}}
app.kubernetes.io/name: proffer
app.kubernetes.io/component: {{ . }}
{{- end }}

{{/* Image of a component: proffer.image (list $ .Values.agent .Values.image.tag). */}}
{{- define "proffer.image" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $tag := index . 2 -}}
{{- printf "%s/%s:%s" $root.Values.image.registry $component.image.repository ($component.image.tag | default $tag | default $root.Chart.AppVersion) -}}
{{- end }}

{{/* Name of the Secret with the agent link's certificate. */}}
{{- define "proffer.tlsSecret" -}}
{{- .Values.agentLink.tls.existingSecret | default "proffer-agent-link-tls" -}}
{{- end }}

{{/* Name of the Secret with the certificate of HTTP. */}}
{{- define "proffer.httpTlsSecret" -}}
{{- .Values.http.tls.existingSecret | default "proffer-http-tls" -}}
{{- end }}

{{/* http or https, as port 5050 speaks it. */}}
{{- define "proffer.httpScheme" -}}
{{- ternary "https" "http" .Values.http.tls.enabled -}}
{{- end }}

{{/* Names by which HTTP is reached, and which its certificate has. */}}
{{- define "proffer.httpNames" -}}
{{- $names := list "localhost" -}}
{{- range $service := list "proffer" "proffer-controller" -}}
{{- $short := printf "%s.%s" $service $.Release.Namespace -}}
{{- $names = concat $names (list $service $short (printf "%s.svc" $short) (printf "%s.svc.%s" $short $.Values.clusterDomain)) -}}
{{- end -}}
{{- toJson $names -}}
{{- end }}

{{/* Name by which agents reach the controllers, and which their certificate has. */}}
{{- define "proffer.linkName" -}}
{{- printf "proffer-controller.%s.svc" .Release.Namespace -}}
{{- end }}

{{/* Taints that agents and slots tolerate. A slot must outlive its node's outages, so it has a daemon's tolerations too
     (the DaemonSet controller adds the same to the agents by itself). */}}
{{- define "proffer.slotTolerations" -}}
{{- $tolerations := .Values.slot.tolerations -}}
{{- range $key := list "not-ready" "unreachable" -}}
{{- $tolerations = append $tolerations (dict "key" (printf "node.kubernetes.io/%s" $key) "operator" "Exists" "effect" "NoExecute") -}}
{{- end -}}
{{- range $key := list "disk-pressure" "memory-pressure" "pid-pressure" "unschedulable" -}}
{{- $tolerations = append $tolerations (dict "key" (printf "node.kubernetes.io/%s" $key) "operator" "Exists" "effect" "NoSchedule") -}}
{{- end -}}
{{- toJson $tolerations -}}
{{- end }}

{{/* What the controller makes slot pods from: a pod template without node affinity and resources, which it adds. */}}
{{- define "proffer.slotTemplate" -}}
metadata:
  labels:
    {{- include "proffer.selector" "slot" | nindent 4 }}
  annotations:
    # Tasks would end with it, so an autoscaler is not to take the node away.
    cluster-autoscaler.kubernetes.io/safe-to-evict: "false"
spec:
  automountServiceAccountToken: false
  serviceAccountName: proffer-slot
  enableServiceLinks: false
  restartPolicy: Always
  terminationGracePeriodSeconds: 1
  {{- if .Values.slot.hostNetwork }}
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  {{- with .Values.priorityClass.slot.name }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.slot.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  tolerations:
    {{- include "proffer.slotTolerations" . | fromJsonArray | toYaml | nindent 4 }}
  securityContext:
    runAsUser: 65534
    runAsGroup: 65534
    runAsNonRoot: true
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: slot
      image: {{ include "proffer.image" (list . .Values.slot "") | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      # A slot is resized in place: tasks below it go on.
      resizePolicy:
        - resourceName: cpu
          restartPolicy: NotRequired
        - resourceName: memory
          restartPolicy: NotRequired
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
{{- end }}
