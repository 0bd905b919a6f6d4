import '../shared/ui/tokens.css'
document.getElementById('app')?.append('Kererū')
